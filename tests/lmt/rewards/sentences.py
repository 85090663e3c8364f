"""Two sentences in eleven languages, written for these tests."""

SENTENCES = {
    "en": (
        "The committee will publish its final report next Thursday, after hearing witnesses from all 27 member "
        "states.",
        "Heavy rain has closed two mountain roads since Monday, and drivers are asked to take the train instead.",
    ),
    "de": (
        "Der Ausschuss wird seinen Abschlussbericht am kommenden Donnerstag veröffentlichen, nachdem er Zeugen aus "
        "allen 27 Mitgliedstaaten gehört hat.",
        "Starker Regen hat seit Montag zwei Bergstraßen gesperrt, und die Autofahrer werden gebeten, stattdessen den "
        "Zug zu nehmen.",
    ),
    "fr": (
        "La commission publiera son rapport final jeudi prochain, après avoir entendu des témoins des 27 États "
        "membres.",
        "De fortes pluies ont entraîné la fermeture de deux routes de montagne depuis lundi, et les conducteurs sont "
        "priés de prendre plutôt le train.",
    ),
    "es": (
        "La comisión publicará su informe final el próximo jueves, después de escuchar a testigos de los 27 Estados "
        "miembros.",
        "Las fuertes lluvias mantienen cerradas dos carreteras de montaña desde el lunes, y se pide a los conductores "
        "que tomen el tren.",
    ),
    "ru": (
        "Комитет опубликует свой окончательный доклад в следующий четверг, заслушав свидетелей из всех 27 "
        "государств-членов.",
        "Из-за сильных дождей с понедельника закрыты две горные дороги, и водителей просят вместо этого ехать на "
        "поезде.",
    ),
    "zh": (
        "委员会将在听取全部27个成员国的证人陈述之后，于下周四公布其最终报告。",
        "由于暴雨，自周一以来已有两条山路被封闭，当局要求驾车者改乘火车出行。",
    ),
    "ja": (
        "委員会は、27の加盟国すべての証人から話を聞いた後、来週の木曜日に最終報告書を公表する予定です。",
        "大雨のため月曜日から二本の山道が通行止めになっており、運転者には代わりに電車を利用するよう求められています。",
    ),
    "ar": (
        "ستنشر اللجنة تقريرها النهائي يوم الخميس المقبل، بعد الاستماع إلى شهود من جميع الدول الأعضاء البالغ عددها "
        "27 دولة.",
        "أدت الأمطار الغزيرة إلى إغلاق طريقين جبليين منذ يوم الاثنين، ويُطلب من السائقين ركوب القطار بدلا من ذلك.",
    ),
    "hi": (
        "समिति सभी 27 सदस्य देशों के गवाहों को सुनने के बाद अगले गुरुवार को अपनी अंतिम रिपोर्ट प्रकाशित करेगी।",
        "भारी बारिश के कारण सोमवार से दो पहाड़ी सड़कें बंद हैं, और चालकों से कहा गया है कि वे इसके बजाय ट्रेन से जाएँ।",
    ),
    "tr": (
        "Komite, 27 üye devletin tamamından tanıkları dinledikten sonra nihai raporunu önümüzdeki perşembe günü "
        "yayımlayacak.",
        "Şiddetli yağmur nedeniyle pazartesi gününden beri iki dağ yolu kapalı ve sürücülerden bunun yerine trene "
        "binmeleri isteniyor.",
    ),
    "sw": (
        "Kamati itachapisha ripoti yake ya mwisho Alhamisi ijayo, baada ya kuwasikiliza mashahidi kutoka nchi zote 27 "
        "wanachama.",
        "Mvua kubwa imesababisha barabara mbili za milimani kufungwa tangu Jumatatu, na madereva wanaombwa kutumia "
        "treni badala yake.",
    ),
}
